package plugins

import (
	"context"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"sync"

	"github.com/moezoo/moezoo/plugins/wire"
)

// Provider serves variants at the level of the wire. Authors normally write a
// Router or Expert with the SDK instead; this is what the SDK makes of them.
//
// Describe is quick and always answers the same. Build is pure: the same request
// gives the same bytes. Both may be called from several goroutines.
type Provider interface {
	Describe(ctx context.Context) (*wire.DescribeResponse, error)
	Build(ctx context.Context, req *wire.BuildRequest) (*wire.BuildResponse, error)
}

// registry holds the providers compiled into this program, by name.
var registry struct {
	sync.Mutex
	byName map[string]Provider
}

// Register adds a provider to this program: a built-in of the host, or what a
// stand-alone plugin serves. It is called from init or main and panics on a
// programmer's mistake: a description that breaks the rules, or a name taken
// twice.
func Register(p Provider) {
	d, err := p.Describe(context.Background())
	if err != nil {
		panic(fmt.Sprintf("plugins: Register: Describe failed: %v", err))
	}
	if err := checkDescription(d); err != nil {
		panic(fmt.Sprintf("plugins: Register: %v", err))
	}
	registry.Lock()
	defer registry.Unlock()
	if _, taken := registry.byName[d.Provider]; taken {
		panic(fmt.Sprintf("plugins: Register: provider %q registered twice", d.Provider))
	}
	if registry.byName == nil {
		registry.byName = map[string]Provider{}
	}
	registry.byName[d.Provider] = p
}

// registered returns the provider of that name, nil if there is none.
func registered(name string) Provider {
	registry.Lock()
	defer registry.Unlock()
	return registry.byName[name]
}

// registeredNames lists the providers in this program, sorted.
func registeredNames() []string {
	registry.Lock()
	defer registry.Unlock()
	names := make([]string, 0, len(registry.byName))
	for n := range registry.byName {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// CheckName refuses what cannot be the name of somebody's provider, saying what could be.
func CheckName(name string) error {
	if registered(name) != nil {
		return &InputError{Detail: fmt.Sprintf("%s is built in", name), Hint: "choose another name"}
	}
	if providerName.MatchString(name) {
		return nil
	}
	e := &InputError{Detail: fmt.Sprintf("%q cannot be a plugin's name: small letters, digits and hyphens make one, a letter first", cleanLine(name, 80))}
	could := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(strings.TrimPrefix(name, binaryPrefix)), "-"), "-0123456789")
	if providerName.MatchString(could) && registered(could) == nil {
		e.Hint = "what about " + could + "?"
	}
	return e
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)
