"""Why data change: dossiers, their steps and deadlines, their papers, and who holds them."""
