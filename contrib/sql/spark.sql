-- Tables of qscope for Spark SQL. ${tables} and ${inventory} stand for a folder and a file.
CREATE OR REPLACE TEMPORARY VIEW runs USING parquet OPTIONS (path '${tables}/runs', mergeSchema 'true');
CREATE OR REPLACE TEMPORARY VIEW files USING parquet OPTIONS (path '${tables}/files', mergeSchema 'true');
CREATE OR REPLACE TEMPORARY VIEW servers USING parquet OPTIONS (path '${tables}/servers', mergeSchema 'true');
CREATE OR REPLACE TEMPORARY VIEW links USING parquet OPTIONS (path '${tables}/links', mergeSchema 'true');
CREATE OR REPLACE TEMPORARY VIEW incidents USING parquet OPTIONS (path '${tables}/incidents', mergeSchema 'true');
CREATE OR REPLACE TEMPORARY VIEW outages USING parquet OPTIONS (path '${tables}/outages', mergeSchema 'true');
CREATE OR REPLACE TEMPORARY VIEW waits USING parquet OPTIONS (path '${tables}/waits', mergeSchema 'true');
CREATE OR REPLACE TEMPORARY VIEW elections USING parquet OPTIONS (path '${tables}/elections', mergeSchema 'true');
CREATE OR REPLACE TEMPORARY VIEW intervals USING parquet OPTIONS (path '${tables}/intervals', mergeSchema 'true');
CREATE OR REPLACE TEMPORARY VIEW sessions USING parquet OPTIONS (path '${tables}/sessions', mergeSchema 'true');
-- A row for each bucket of each histogram.
CREATE OR REPLACE TEMPORARY VIEW interval_buckets AS
SELECT site, ensemble, date, run, link, t0, kind, bucket.us AS us, bucket.count AS n
FROM intervals LATERAL VIEW EXPLODE(buckets) each AS bucket;
-- What is known of servers beside: site, ensemble, server (address), hardware, version, since (a day).
CREATE OR REPLACE TEMPORARY VIEW inventory_text USING csv OPTIONS (path '${inventory}', header 'true');
CREATE OR REPLACE TEMPORARY VIEW inventory AS
SELECT site, ensemble, server, hardware, version, CAST(since AS DATE) AS since FROM inventory_text;
