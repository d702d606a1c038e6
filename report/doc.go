// Package report makes a page out of runs: what they cost, how their losses fell, how far apart
// they end, how many steps one model needs to where another ends, what the routers did, and what
// was run, on which machine.
//
//	p, err := report.Load("runs/paper-debug")   // a study's folder, or the folders of runs
//	err = p.Write("report.html")                // the page, and figures/ with SVG and CSV beside it
//	err = p.WriteFolder("docs/results/paper")   // the same, and summary.csv and summary.md
//	err = report.Serve(ctx, listener, load)     // a page that follows runs while they train
//
// The page is one file without scripts or addresses: drawings are SVG in it, for light and dark
// screens and for paper. The same runs give the same bytes. When they are made anew, seconds are
// others; they are in files of their own (loss-seconds, decode-time, timing), and on the page.
//
// # What the files hold
//
// A figure's CSV file has the numbers that are drawn, with seven digits: held-out losses at every
// evaluation, training losses in a hundred means, entropy and dropped tokens in 40 for each seed
// and layer, the load of experts in 48 for one seed and 24 for each of several. runs.csv says
// what was run, with whole hashes; summary.csv has a row for each model, with every digit.
//
// # Runs that are not finished
//
// Means, parities and differences are of finished runs. Only of a model of which no run is
// finished the others are shown, as far as all of them have come.
//
// # Differences at the end
//
// Runs of the same seed see the same batches in the same order, so what they have in common falls
// out of the difference of their last held-out losses, model minus reference. Runs are paired when
// both made all their steps on the same text with the same batch and context. Of n seeds there
// are the mean and a 95 % confidence interval from Student's t with n − 1 degrees of freedom; of
// one seed there is none. The reference is the model that a study matches to, or its first. Of
// several budgets each is compared with the reference's own, or the nearest in operations.
//
// # Learning rates
//
// Models whose resolved recipes differ in train.lr alone are a family; where a family has two
// rates or more, its final losses are drawn over them, and the best rate is told, with whether it
// lies at the edge of those tried.
//
// # Clocks
//
// Seconds are of training steps only. The page says how many runs were made at the same time as
// others of the report on the same machine, and by how much the mean of a run's steps exceeds
// their median: from a tenth on, other work had a part in it. What slows all steps down alike does
// not show; what a person knows of it is said by Page.Note.
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
