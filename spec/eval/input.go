package eval

import "github.com/opencontainers/go-digest"

// Input is something on disk that a function read while the spec was evaluated.
// The same Input with another Digest means that the spec may evaluate otherwise.
type Input struct {
	// Function is the name of the function: file, fileset, fileexists, …
	Function string `json:"function"`
	// Path is relative to the spec's directory, with slashes.
	Path string `json:"path"`
	// Pattern is the second argument of fileset, empty for other functions.
	Pattern string `json:"pattern,omitempty"`
	// Digest is that of the file's content; of the list of names for fileset;
	// of "true" or "false" for fileexists.
	Digest digest.Digest `json:"digest"`
}
