// Package plot draws charts as SVG: lines with bands, heatmaps, intervals and matrices. Colours
// are CSS variables, so that one drawing serves light and dark pages, and paper.
//
// A drawing has a fixed width of 480 units and scales with what it stands in; texts are of 13
// units, which can be read on a phone. Equal charts are equal bytes.
//
// What is drawn, and why, is package report's.
package plot
