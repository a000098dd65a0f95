"""The page that people look at: `reports/collisions.html`, made of a built warehouse."""
