// Package show draws a model as text and as SVG: the blocks of its stack from the embedding to
// the head, with widths, parameters, states, and the plugins that they were built by. What
// repeats is folded into a group, and what stands in parallel, or shares its weights, is seen.
//
//	p, err := show.Of(model)
//	fmt.Print(p.Text())
//	os.WriteFile("model.svg", []byte(p.SVG()), 0o666)
//
// The picture is made of what is built (blocks.Model), not of the recipe's words. Nothing is
// allocated for it, so that models of any size can be drawn.
package show
