-- Where did the lead move, and how often? By epoch, so that a change between two captures counts too.
WITH epochs AS (
    SELECT site, ensemble, epoch, MIN(leader) AS leader FROM links WHERE epoch IS NOT NULL GROUP BY site, ensemble, epoch
), steps AS (
    SELECT site, ensemble, epoch, leader, LAG(leader) OVER (PARTITION BY site, ensemble ORDER BY epoch) AS before
    FROM epochs
)
SELECT site, ensemble, COUNT(*) AS epochs, COUNT(DISTINCT leader) AS leaders,
    SUM(CASE WHEN leader <> before THEN 1 ELSE 0 END) AS moves
FROM steps
GROUP BY site, ensemble
HAVING SUM(CASE WHEN leader <> before THEN 1 ELSE 0 END) > 0
ORDER BY moves DESC, site, ensemble
