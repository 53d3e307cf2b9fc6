-- Runs once, in a new data folder of PostgreSQL, as its owner: a database and a user for Prefect's server,
-- a database and a user for the journal. Neither can enter the other's database.
\getenv prefect_password POSTGRES_PREFECT_PASSWORD
\getenv rivya_password POSTGRES_RIVYA_PASSWORD
CREATE ROLE prefect LOGIN PASSWORD :'prefect_password';
CREATE ROLE rivya LOGIN PASSWORD :'rivya_password';
CREATE DATABASE prefect OWNER prefect;
CREATE DATABASE rivya OWNER rivya;
REVOKE ALL ON DATABASE prefect, rivya, postgres, template1 FROM PUBLIC;
