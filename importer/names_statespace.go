package importer

import "strings"

// Mamba3Block is the Mamba-3 module of state-spaces/mamba.
func Mamba3Block(param string, _ int) (Source, bool) {
	switch param {
	case "in_proj.weight", "out_proj.weight":
		return transposed(param), true
	case "dt_bias", "B_bias", "C_bias", "B_norm.weight", "C_norm.weight", "D", "norm.weight", "mimo_x", "mimo_z", "mimo_o":
		return plain(param), true
	}
	return Source{}, false
}

// S4DBlock is the S4D module of state-spaces/s4.
func S4DBlock(param string, _ int) (Source, bool) {
	switch param {
	case "log_dt", "log_A_real", "A_imag", "C":
		return plain("kernel." + param), true
	case "D":
		return plain(param), true
	case "output_linear.weight":
		return transposed("output_linear.0.weight"), true
	case "output_linear.bias":
		return plain("output_linear.0.bias"), true
	}
	return Source{}, false
}

// S5Layer is a residual layer of lindermanlab/S5: the system is "seq", and flax stores linear
// layers [in, out] as we do, calling the weight a kernel.
func S5Layer(param string, _ int) (Source, bool) {
	_, rest, _ := layerOf(param)
	switch param := strings.TrimPrefix(rest, "s5/"); param {
	case "norm/weight":
		return plain("norm.scale"), true
	case "norm/bias":
		return plain("norm.bias"), true
	case "Lambda_re", "Lambda_im", "B", "C", "D", "log_step":
		return plain("seq." + param), true
	case "out1.weight", "out2.weight":
		return plain(strings.TrimSuffix(param, "weight") + "kernel"), true
	case "out1.bias", "out2.bias":
		return plain(param), true
	}
	return Source{}, false
}
