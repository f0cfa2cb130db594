"""Tags and filters for every page: money, time, icons, the felt."""
