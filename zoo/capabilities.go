package zoo

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

// Capability is what tests found a mixer, a router or an expert to be able to do, in a small
// model. Nobody writes it: TestCapabilities makes capabilities.json with -update, and fails where
// it is not what the test finds.
type Capability struct {
	Kind string `json:"kind"` // mixer, router or expert
	Name string `json:"name"`

	Causal   Causality `json:"causal"`
	Step     bool      `json:"step"`     // runs token by token, as the whole sequence
	Gradient bool      `json:"gradient"` // trains: gradients are those of the loss
	ONNX     bool      `json:"onnx"`     // is exported, equal to the model
	Backends []string  `json:"backends"` // that run it
}

// Causality tells when a token's result depends on earlier tokens alone.
type Causality string

// Causalities: a router may balance over the whole batch while it trains, and not afterwards.
const (
	Always      Causality = "yes"
	InInference Causality = "in inference"
	Never       Causality = "no"
)

//go:embed capabilities.json
var capabilities []byte

// Capabilities are those of all mixers, and of the routers and experts that are built in.
func Capabilities() []Capability {
	var out []Capability
	if err := json.Unmarshal(capabilities, &out); err != nil {
		panic("zoo: capabilities.json: " + err.Error())
	}
	return out
}

// CapabilityTable is the same as a table in Markdown.
func CapabilityTable(all []Capability) string {
	var b strings.Builder
	b.WriteString("| | | causal | token by token | gradient | ONNX | backends |\n|---|---|---|---|---|---|---|\n")
	kind := ""
	for _, c := range all {
		shown := ""
		if c.Kind != kind {
			kind, shown = c.Kind, c.Kind
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", shown, c.Name, c.Causal, YesNo(c.Step), YesNo(c.Gradient), YesNo(c.ONNX), strings.Join(c.Backends, ", "))
	}
	return b.String()
}

// YesNo is a truth as tables show it.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
