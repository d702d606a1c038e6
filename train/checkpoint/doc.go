// Package checkpoint saves and loads the state of a run so that it appears whole or not
// at all, whatever happens in between.
//
// A run's folder holds checkpoints/step-000000123/ with the files that the caller names
// and a manifest of their sizes and SHA-256 sums, and a small file "latest". A save
// writes a temporary folder, syncs every file, reads everything back, renames the folder,
// and only then moves "latest", also by renaming. Loading checks all sums and falls back
// to an older checkpoint when the newest is damaged.
//
// What the files hold is the caller's concern (package train).
package checkpoint
