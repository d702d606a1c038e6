// Package autodiff turns a forward graph into one that also computes gradients.
//
// Differentiation is a rewrite: nodes are added to the same graph, each built by the
// gradient rule of the operator table, so that nothing remains to be recorded at run
// time. Rules live with the operators (graph/op); optimisers do not live here.
package autodiff
