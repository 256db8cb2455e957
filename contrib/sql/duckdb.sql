-- Tables of qscope for DuckDB. ${tables} and ${inventory} stand for a folder and a file.
CREATE OR REPLACE MACRO unix_micros(moment) AS epoch_us(moment);
CREATE OR REPLACE MACRO hive(path) AS TABLE SELECT * FROM read_parquet(path, hive_partitioning = true,
    hive_types = {'site': VARCHAR, 'ensemble': VARCHAR, 'date': DATE}, union_by_name = true);
CREATE OR REPLACE VIEW runs AS SELECT * FROM hive('${tables}/runs/*/*/*/*.parquet');
CREATE OR REPLACE VIEW files AS SELECT * FROM hive('${tables}/files/*/*/*/*.parquet');
CREATE OR REPLACE VIEW servers AS SELECT * FROM hive('${tables}/servers/*/*/*/*.parquet');
CREATE OR REPLACE VIEW links AS SELECT * FROM hive('${tables}/links/*/*/*/*.parquet');
CREATE OR REPLACE VIEW incidents AS SELECT * FROM hive('${tables}/incidents/*/*/*/*.parquet');
CREATE OR REPLACE VIEW outages AS SELECT * FROM hive('${tables}/outages/*/*/*/*.parquet');
CREATE OR REPLACE VIEW waits AS SELECT * FROM hive('${tables}/waits/*/*/*/*.parquet');
CREATE OR REPLACE VIEW elections AS SELECT * FROM hive('${tables}/elections/*/*/*/*.parquet');
CREATE OR REPLACE VIEW intervals AS SELECT * FROM hive('${tables}/intervals/*/*/*/*.parquet');
CREATE OR REPLACE VIEW sessions AS SELECT * FROM hive('${tables}/sessions/*/*/*/*.parquet');
-- A row for each bucket of each histogram.
CREATE OR REPLACE VIEW interval_buckets AS
SELECT site, ensemble, date, run, link, t0, kind, bucket.us AS us, bucket.count AS n
FROM (SELECT *, UNNEST(buckets) AS bucket FROM intervals);
-- What is known of servers beside: site, ensemble, server (address), hardware, version, since (a day).
CREATE OR REPLACE VIEW inventory AS
SELECT site, ensemble, server, hardware, version, CAST(since AS DATE) AS since
FROM read_csv('${inventory}', header = true, all_varchar = true);
