package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// availableMemory is how many bytes of memory are free, 0 where the system does not say.
func availableMemory() int {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var kb int
		if strings.HasPrefix(s.Text(), "MemAvailable:") {
			if _, err := fmt.Sscanf(s.Text(), "MemAvailable: %d kB", &kb); err == nil {
				return kb << 10
			}
		}
	}
	return 0
}
