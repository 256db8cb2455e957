-- Which ensembles served no writes for longest?
WITH judged AS (
    SELECT site, ensemble, COUNT(DISTINCT date) AS days FROM runs GROUP BY site, ensemble
), lost AS (
    SELECT site, ensemble, COUNT(*) AS outages, SUM(duration_ms) AS ms, MAX(duration_ms) AS longest_ms
    FROM outages GROUP BY site, ensemble
)
SELECT judged.site, judged.ensemble, judged.days, COALESCE(lost.outages, 0) AS outages,
    ROUND(CAST(COALESCE(lost.ms, 0) AS DOUBLE) / 60000, 3) AS outage_minutes, lost.longest_ms
FROM judged LEFT JOIN lost ON lost.site = judged.site AND lost.ensemble = judged.ensemble
ORDER BY outage_minutes DESC, judged.site, judged.ensemble
