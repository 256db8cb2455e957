-- Whose near misses grew from one week to the next? A near miss is a wait beyond half of its deadline.
WITH weekly AS (
    SELECT site, ensemble, subject, CAST(DATE_TRUNC('week', date) AS DATE) AS week, COUNT(*) AS near_misses,
        MAX(share) AS worst_share
    FROM waits
    WHERE share >= 0.5 AND share <= 1
    GROUP BY site, ensemble, subject, CAST(DATE_TRUNC('week', date) AS DATE)
), steps AS (
    SELECT site, ensemble, subject, week, near_misses, worst_share,
        LAG(near_misses) OVER (PARTITION BY site, ensemble, subject ORDER BY week) AS week_before
    FROM weekly
)
SELECT site, ensemble, subject, week, week_before, near_misses, ROUND(worst_share, 3) AS worst_share
FROM steps
WHERE near_misses > week_before
ORDER BY near_misses - week_before DESC, site, ensemble, subject, week
