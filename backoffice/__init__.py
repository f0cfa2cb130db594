"""Pages, reports and checks that join the apps."""
