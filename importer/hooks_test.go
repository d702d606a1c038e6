package importer

import "github.com/moezoo/moezoo/zoo/recipe"

// ReadAgainst reads a configuration against the tensors of a model that exists on paper
// only.
func ReadAgainst(raw []byte, m *Map) (*recipe.Recipe, error) {
	values, err := parseConfig(raw)
	if err != nil {
		return nil, err
	}
	a, err := find(values)
	if err != nil {
		return nil, err
	}
	return a.read("read", newConfig(values, onPaper{m}))
}

// PaperMap is the map of a recipe's parameters to an architecture's tensors.
func PaperMap(modelType string, r *recipe.Recipe, params []Param) (*Map, error) {
	for _, a := range architectures {
		if a.Type == modelType {
			return newMap(params, a.Names(r), nil)
		}
	}
	panic(modelType)
}

// Differs names the first thing that inference depends on and two recipes say differently.
func Differs(r, other *recipe.Recipe) error { return differs(r, other) }
