// Package check prints one line a check and remembers whether any failed.
package check

import (
	"fmt"
	"os"
)

var failed bool

// Environment holds where the server is and who we are there.
type Environment struct{ URL, ClientID, ClientSecret string }

// FromEnvironment reads the three variables every conformance program gets.
func FromEnvironment() Environment {
	return Environment{
		URL:          os.Getenv("MOCKMOOV_URL"),
		ClientID:     os.Getenv("MOCKMOOV_CLIENT_ID"),
		ClientSecret: os.Getenv("MOCKMOOV_CLIENT_SECRET"),
	}
}

// That prints the outcome of one check; came says what was seen instead, and must hold no whole token.
func That(name string, ok bool, came any) bool {
	if ok {
		fmt.Println("ok " + name)
		return true
	}
	failed = true
	fmt.Printf("not ok %s: %.300s\n", name, fmt.Sprint(came))
	return false
}

// Exit ends the program: 0 only if every check was ok.
func Exit() {
	if failed {
		os.Exit(1)
	}
	os.Exit(0)
}
