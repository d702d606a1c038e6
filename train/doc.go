// Package train trains a graph: it differentiates it, plans it, and runs optimiser
// steps on a device, deterministically at any number of threads.
//
// An Engine holds the plans and the buffers and makes one step at a time; a Run is the
// loop around it with data, schedule, evaluation, metrics and checkpoints, which can be
// interrupted anywhere and resumed bit for bit. Checkpoint folders are in
// train/checkpoint, learning-rate schedules in train/schedule, metric files in
// train/metrics.
//
// What a model is made of does not concern this package: it sees a graph with a loss.
// Recipes, built functions and locks reach a checkpoint as named blobs.
package train
