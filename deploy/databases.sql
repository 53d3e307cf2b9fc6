-- Read once, when the data folder of PostgreSQL is new; the database of the journal is there by then.
CREATE DATABASE prefect;
