// Package blocks holds the parts of sequence models, each reading like its paper, and
// the assembler that stacks them: mixers (Mamba, attention), norms, the dense
// feed-forward layer, the Mixture-of-Experts layer, and the language model around them.
//
// A block builds nodes through graph/op and knows no device, no gradient and no file
// format. The same Forward serves training on whole sequences, resuming with carried
// state, and single steps: the context decides whether states are inputs, and the length
// L is a symbol.
//
// Letters: B batch, L sequence length, T = B·L tokens, D model width, Di inner width,
// N state size, K convolution width, R rank of Δ, E experts, k experts per token.
//
// Recipes (zoo/recipe), the choice of plugins (plugins) and checkpoints (train) do not
// live here.
package blocks
