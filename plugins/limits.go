package plugins

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/moezoo/moezoo/plugins/wire"
)

// Limits on what a plugin may answer. They are far above what any router or
// expert needs; their purpose is that no answer can exhaust the host.
const (
	maxFunctionBytes = 8 << 20   // all functions of one answer together
	maxSchemaBytes   = 256 << 10 // one config schema
	maxConfigBytes   = 64 << 10  // one config
	maxVariants      = 256       // of one provider
	maxParams        = 1024
	maxStates        = 64
	maxOutputs       = 256 // losses, metrics and token outputs, each
	maxDiagnostics   = 100
	maxRank          = 8
	maxElements      = 1 << 40 // of one tensor
	maxArgs          = 16
	maxDocBytes      = 200
	maxTextBytes     = 4 << 10
)

// InitSchemes are the ways to fill a parameter, with the arguments each needs. A
// "linear" weight and one whose output is added to the residual stream ("residual")
// start as the model's policy says; all others are absolute.
var InitSchemes = map[string][]string{
	"linear":           {"fan_in"},
	"residual":         {"fan_in"},
	"zeros":            {},
	"ones":             {},
	"constant":         {"value"},
	"normal":           {"mean", "std"},
	"truncated_normal": {"mean", "std", "low", "high"},
	"uniform":          {"low", "high"},
}

// onnx.TensorProto.DataType numbers that may cross the wire.
const (
	dtypeFloat = 1
	dtypeInt64 = 7
)

var (
	providerName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	variantName  = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
	valueName    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]{0,127}$`)
	operatorName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)
	versionText  = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$`)
)

// checkDescription refuses a Describe answer that breaks the rules of the wire.
func checkDescription(d *wire.DescribeResponse) error {
	switch {
	case !providerName.MatchString(d.Provider):
		return fmt.Errorf("provider name %q must match %s", cleanLine(d.Provider, 80), providerName)
	case !versionText.MatchString(d.Version):
		return fmt.Errorf("version %q must match %s", cleanLine(d.Version, 80), versionText)
	case len(d.Variants) == 0 || len(d.Variants) > maxVariants:
		return fmt.Errorf("it has %d variants; 1 to %d are allowed", len(d.Variants), maxVariants)
	}
	seen := map[string]bool{}
	for _, v := range d.Variants {
		if err := checkVariant(v); err != nil {
			return fmt.Errorf("variant %q: %w", cleanLine(v.Name, 80), err)
		}
		if seen[v.Name] {
			return fmt.Errorf("variant %q: two variants have that name", v.Name)
		}
		seen[v.Name] = true
	}
	return nil
}

func checkVariant(v *wire.Variant) error {
	if !variantName.MatchString(v.Name) {
		return fmt.Errorf("its name must match %s", variantName)
	}
	if v.Kind != wire.Kind_KIND_ROUTER && v.Kind != wire.Kind_KIND_EXPERT {
		return fmt.Errorf("kind %d is neither router (1) nor expert (2)", v.Kind)
	}
	for _, t := range []struct {
		what, text string
		required   bool
	}{{"doc", v.Doc, true}, {"paper", v.Paper, false}} {
		if t.required && t.text == "" {
			return fmt.Errorf("it has no %s line", t.what)
		}
		if len(t.text) > maxDocBytes || cleanLine(t.text, maxDocBytes) != t.text {
			return fmt.Errorf("its %s must be one printable line of at most %d bytes", t.what, maxDocBytes)
		}
	}
	if len(v.ConfigSchema) > maxSchemaBytes {
		return fmt.Errorf("its config schema has %d bytes; %d are allowed", len(v.ConfigSchema), maxSchemaBytes)
	}
	if _, err := compileSchema(v.ConfigSchema); err != nil {
		return fmt.Errorf("its config schema is not usable: %w", err)
	}
	if allow := v.GetCapabilities().GetAllow(); len(allow) > maxOutputs {
		return fmt.Errorf("it asks for %d operators; %d are allowed", len(allow), maxOutputs)
	}
	for _, a := range v.GetCapabilities().GetAllow() {
		if !operatorName.MatchString(a) {
			return fmt.Errorf("it asks for operator %q, which is no operator name", cleanLine(a, 80))
		}
	}
	return nil
}

// checkAnswer refuses a Build answer that breaks the rules of the wire. It does
// not open the functions; that is the Checker's work.
func checkAnswer(v Variant, r *wire.BuildResponse) error {
	total := len(r.Train) + len(r.Infer)
	for _, s := range r.States {
		total += len(s.Update)
	}
	switch {
	case len(r.Train) == 0:
		return fmt.Errorf("it has no train function")
	case total > maxFunctionBytes:
		return fmt.Errorf("its functions have %d bytes; %d are allowed", total, maxFunctionBytes)
	case len(r.Params) > maxParams:
		return fmt.Errorf("it has %d params; %d are allowed", len(r.Params), maxParams)
	case len(r.States) > maxStates:
		return fmt.Errorf("it has %d states; %d are allowed", len(r.States), maxStates)
	case max(len(r.Losses), len(r.Metrics), len(r.TokenOutputs)) > maxOutputs:
		return fmt.Errorf("it has more than %d losses, metrics or token outputs", maxOutputs)
	}
	inputs := map[string]bool{}
	for _, p := range r.Params {
		if err := checkParam(p, inputs); err != nil {
			return fmt.Errorf("param %q: %w", cleanLine(p.GetTensor().GetName(), 80), err)
		}
	}
	for _, s := range r.States {
		if err := checkState(s, inputs); err != nil {
			return fmt.Errorf("state %q: %w", cleanLine(s.GetTensor().GetName(), 80), err)
		}
	}
	if (len(r.States) > 0) != v.Capabilities.Stateful {
		return fmt.Errorf("it has %d states but its capability stateful is %v", len(r.States), v.Capabilities.Stateful)
	}
	if err := checkRouting(v, r); err != nil {
		return err
	}
	return checkOutputs(r)
}

func checkParam(p *wire.Param, seen map[string]bool) error {
	if err := checkTensor(p.GetTensor(), seen, dtypeFloat); err != nil {
		return err
	}
	scheme := p.GetInit().GetScheme()
	want, ok := InitSchemes[scheme]
	if !ok {
		names := make([]string, 0, len(InitSchemes))
		for n := range InitSchemes {
			names = append(names, n)
		}
		return fmt.Errorf("init scheme %q is not known; %s", cleanLine(scheme, 80), didYouMean(scheme, names))
	}
	args := p.Init.Args
	if len(args) != len(want) || len(args) > maxArgs {
		return fmt.Errorf("init scheme %s takes %d arguments (%s), it has %d", scheme, len(want), strings.Join(want, ", "), len(args))
	}
	for i, a := range args {
		if a.GetName() != want[i] {
			return fmt.Errorf("init argument %d of %s is %q; %q was expected", i+1, scheme, cleanLine(a.GetName(), 80), want[i])
		}
		if !finite(a.Value) {
			return fmt.Errorf("init argument %s is %v; a finite number was expected", a.Name, a.Value)
		}
	}
	return nil
}

func checkState(s *wire.State, seen map[string]bool) error {
	if err := checkTensor(s.GetTensor(), seen, dtypeFloat, dtypeInt64); err != nil {
		return err
	}
	switch {
	case !finite(s.Fill):
		return fmt.Errorf("fill is %v; a finite number was expected", s.Fill)
	case !valueName.MatchString(s.AccumulateOutput):
		return fmt.Errorf("accumulate_output %q is no value name", cleanLine(s.AccumulateOutput, 80))
	case s.Accumulate != wire.Accumulate_ACCUMULATE_SUM:
		return fmt.Errorf("accumulate %d is not known; only sum (1) is", s.Accumulate)
	case len(s.Update) == 0:
		return fmt.Errorf("it has no update function")
	}
	return nil
}

// checkTensor checks name, type and dims, and notes the name in seen.
func checkTensor(t *wire.TensorSpec, seen map[string]bool, dtypes ...int32) error {
	name := t.GetName()
	if !valueName.MatchString(name) {
		return fmt.Errorf("its name must match %s", valueName)
	}
	if seen[name] {
		return fmt.Errorf("the name is used twice")
	}
	seen[name] = true
	ok := false
	for _, d := range dtypes {
		ok = ok || t.Dtype == d
	}
	if !ok {
		return fmt.Errorf("data type %d is not allowed here; allowed are %v (ONNX numbers)", t.Dtype, dtypes)
	}
	if len(t.Dims) > maxRank {
		return fmt.Errorf("it has %d dims; %d are allowed", len(t.Dims), maxRank)
	}
	n := int64(1)
	for i, d := range t.Dims {
		if d < 1 || d > maxElements/n {
			return fmt.Errorf("dims %v: dim %d is %d; each must be at least 1 and the product at most %d", t.Dims, i, d, int64(maxElements))
		}
		n *= d
	}
	return nil
}

func checkRouting(v Variant, r *wire.BuildResponse) error {
	var names []string
	switch x := r.Routing.(type) {
	case nil:
		if v.Kind == RouterKind {
			return fmt.Errorf("a router must answer a routing (assign, claim or mix)")
		}
	case *wire.BuildResponse_Assign:
		names = []string{x.Assign.GetExpert(), x.Assign.GetWeight()}
	case *wire.BuildResponse_Claim:
		names = []string{x.Claim.GetToken(), x.Claim.GetWeight()}
	case *wire.BuildResponse_Mix:
		names = []string{x.Mix.GetDispatch(), x.Mix.GetCombine()}
	}
	if v.Kind == ExpertKind && r.Routing != nil {
		return fmt.Errorf("an expert answers no routing")
	}
	for _, n := range names {
		if !valueName.MatchString(n) {
			return fmt.Errorf("routing names output %q, which is no value name", cleanLine(n, 80))
		}
	}
	return nil
}

func checkOutputs(r *wire.BuildResponse) error {
	seen := map[string]bool{}
	check := func(what, name, output string) error {
		if !valueName.MatchString(name) || !valueName.MatchString(output) {
			return fmt.Errorf("%s %q with output %q: both must match %s", what, cleanLine(name, 80), cleanLine(output, 80), valueName)
		}
		if seen[what+" "+name] {
			return fmt.Errorf("%s %q: the name is used twice", what, name)
		}
		seen[what+" "+name] = true
		return nil
	}
	for _, l := range r.Losses {
		if err := check("loss", l.GetName(), l.GetOutput()); err != nil {
			return err
		}
		if !finite(l.Weight) {
			return fmt.Errorf("loss %q: weight is %v; a finite number was expected", l.Name, l.Weight)
		}
	}
	for _, m := range r.Metrics {
		if err := check("metric", m.GetName(), m.GetOutput()); err != nil {
			return err
		}
	}
	for _, o := range r.TokenOutputs {
		if err := check("token output", o.GetName(), o.GetOutput()); err != nil {
			return err
		}
	}
	return nil
}

// checkDims refuses dims that a host should never send on.
func checkDims(dims map[string]int64) error {
	for name, d := range dims {
		if !valueName.MatchString(name) || d < 0 || d > maxElements {
			return fmt.Errorf("dim %q is %d; 0 to %d is allowed", cleanLine(name, 80), d, int64(maxElements))
		}
	}
	return nil
}

// diagnosticsOf splits an answer's diagnostics into errors and warnings, as
// cleaned lines.
func diagnosticsOf(r *wire.BuildResponse) (errs, warnings []string) {
	list := r.Diagnostics
	if len(list) > maxDiagnostics {
		list = list[:maxDiagnostics]
	}
	for _, d := range list {
		text := cleanLine(d.GetSummary(), maxTextBytes)
		if len(d.GetConfigPath()) > 0 {
			text = "config." + cleanLine(strings.Join(d.ConfigPath, "."), 200) + ": " + text
		}
		if detail := cleanLine(d.GetDetail(), maxTextBytes); detail != "" {
			text += ": " + detail
		}
		if d.GetSeverity() == wire.Severity_SEVERITY_ERROR {
			errs = append(errs, text)
		} else {
			warnings = append(warnings, text)
		}
	}
	return errs, warnings
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// canonicalConfig is the config with sorted keys and no spaces; nothing or null
// is {}.
func canonicalConfig(raw json.RawMessage) (json.RawMessage, map[string]any, error) {
	if len(raw) > maxConfigBytes {
		return nil, nil, fmt.Errorf("the config has %d bytes; %d are allowed", len(raw), maxConfigBytes)
	}
	if !utf8.Valid(raw) {
		return nil, nil, fmt.Errorf("the config is not UTF-8")
	}
	config := map[string]any{}
	if len(raw) > 0 {
		dec := json.NewDecoder(strings.NewReader(string(raw)))
		dec.UseNumber()
		if err := dec.Decode(&config); err != nil {
			return nil, nil, fmt.Errorf("the config is not a JSON object: %w", err)
		}
		if dec.More() {
			return nil, nil, fmt.Errorf("the config holds more than one JSON value")
		}
	}
	if config == nil {
		config = map[string]any{}
	}
	out, err := json.Marshal(config)
	return out, config, err
}
