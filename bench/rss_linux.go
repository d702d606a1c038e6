package bench

// rssUnit is the unit of Rusage.Maxrss.
const rssUnit = 1 << 10
