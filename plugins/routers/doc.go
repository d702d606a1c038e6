// Package routers holds the built-in routers, one file each. They are plugins like any
// other: what leaves this package is an ONNX function.
package routers

import "github.com/moezoo/moezoo/plugins"

// Provider serves the built-in routers.
func Provider() plugins.Provider {
	return plugins.NewProvider("routers", "1.0.0", Switch, TopK, Hash, Random)
}
