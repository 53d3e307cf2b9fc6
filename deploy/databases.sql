-- Runs once, in a new data folder of PostgreSQL, after the journal's database is created.
CREATE DATABASE prefect;
