-- What did a new version change? Incidents and outages a day, before the inventory's day and from it on.
WITH changes AS (
    SELECT site, ensemble, MAX(version) AS version, MIN(since) AS since FROM inventory WHERE since IS NOT NULL
    GROUP BY site, ensemble
), days AS (
    SELECT DISTINCT r.site, r.ensemble, r.date, c.version, CASE WHEN r.date < c.since THEN 'before' ELSE 'after' END AS side
    FROM runs r JOIN changes c ON c.site = r.site AND c.ensemble = r.ensemble
), troubles AS (
    SELECT site, ensemble, date, COUNT(*) AS incidents, SUM(outage_ms) AS outage_ms FROM incidents
    GROUP BY site, ensemble, date
)
SELECT d.version, d.side, COUNT(*) AS days, COUNT(DISTINCT CONCAT(d.site, '/', d.ensemble)) AS ensembles,
    ROUND(CAST(SUM(COALESCE(t.incidents, 0)) AS DOUBLE) / COUNT(*), 3) AS incidents_a_day,
    ROUND(CAST(SUM(COALESCE(t.outage_ms, 0)) AS DOUBLE) / COUNT(*), 1) AS outage_ms_a_day
FROM days d LEFT JOIN troubles t ON t.site = d.site AND t.ensemble = d.ensemble AND t.date = d.date
GROUP BY d.version, d.side
ORDER BY d.version, d.side DESC
