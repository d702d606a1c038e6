// Package pluginpython holds the Python SDK for the program that hands it out. The rest of
// this folder is an example of its use.
package pluginpython

import _ "embed"

// SDK is moezoo_plugin.py, Requirements what pip must install for it.
var (
	//go:embed moezoo_plugin.py
	SDK []byte
	//go:embed requirements.txt
	Requirements []byte
)
