package recipe

// Made is a recipe that a program put together out of what a model is. Training, but for a
// learning rate that is given, and data get their defaults; so do placement, multipliers, initialisation and balance where they
// are empty. The recipe is checked as if it had been written.
func Made(r Recipe) (*Recipe, error) {
	plain, err := Parse(r.Name, []byte("{name: plain, d_model: 1, layers: [mamba]}"), nil)
	if err != nil {
		return nil, err
	}
	rate := r.Train.LR
	r.Train, r.Data = plain.Train, plain.Data
	if rate > 0 {
		r.Train.LR = rate
	}
	if r.Positions > 0 {
		r.Train.Context = min(r.Train.Context, r.Positions)
	}
	for _, d := range []struct{ value, def *float64 }{
		{&r.Multiplier.Embedding, &plain.Multiplier.Embedding}, {&r.Multiplier.Residual, &plain.Multiplier.Residual}, {&r.Multiplier.Logits, &plain.Multiplier.Logits},
	} {
		if *d.value == 0 {
			*d.value = *d.def
		}
	}
	if r.Placement == "" {
		r.Placement = plain.Placement
	}
	if r.Init == "" {
		r.Init = plain.Init
	}
	if r.Balance == "" {
		r.Balance = plain.Balance
	}
	return Parse(r.Name, r.YAML(), nil)
}
