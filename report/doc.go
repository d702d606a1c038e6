// Package report makes a page out of runs: what they cost, how their losses fell, how many
// steps one model needs to where another ends, what the routers did, and what was run, on
// which machine.
//
//	p, err := report.Load("runs/paper-debug")   // a study's folder, or the folders of runs
//	err = p.Write("report.html")                // the page, and figures/ with SVG and CSV beside it
//	err = report.Serve(ctx, listener, load)     // a page that follows runs while they train
//
// The page is one file without scripts or addresses: drawings are SVG in it, for light and dark
// screens and for paper. Equal runs give equal pages, but for times.
//
// # Steps to parity
//
// How many times fewer steps does model A need to reach the loss at which model B ends? The
// held-out losses of each run, at its evaluations, are smoothed by a local quadratic regression
// in the logarithm of the step with tricube weights over the nearest third of the points (at
// least five), then made non-increasing by pooling neighbours (isotonic regression), so that
// a loss is crossed once. B's loss is the end of its smoothed curve, A's step the linear
// interpolation where its curve crosses it. The ratio is B's last step over A's step.
//
// With two seeds or more, the ratio is taken for each seed that both models have, which share
// the data's order; the answer is the geometric mean with a 95 % confidence interval from
// Student's t on the logarithms. When some seed never reaches B's loss there is no mean: the
// answer is that of the averaged curves, and the interval is open below. With a single seed
// the interval comes from 1000 wild bootstrap samples (the residuals around the smoothed
// curves, each with a random sign): it covers the noise between evaluations, and not that
// between seeds, which is larger; the page says so. Who never reaches the other's loss is
// told as such.
//
// Drawings themselves are in report/plot; training and measuring is elsewhere.
package report
