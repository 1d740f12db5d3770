package conformance

import (
	"fmt"
	"os"
	"testing"
)

// TestMain wants a plugin to test, and stops the shared one at the end. Run by another test with
// helperEnv set, the test binary is not a test but a host of its own; see lifecycle_test.go.
func TestMain(m *testing.M) {
	if _, err := PluginPath(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if role := os.Getenv(helperEnv); role != "" {
		if err := runHelper(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	stopShared()
	os.Exit(code)
}
