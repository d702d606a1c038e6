// Package whole writes files that are there whole or not at all, whatever ends the program:
// under another name beside them first, then renamed. Folders of checkpoints, which tests break
// call by call, are saved by train/checkpoint.
package whole
