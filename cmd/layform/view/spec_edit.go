package view

// SpecEdit is what a command that edits the spec changes, or with --dry-run would change.
type SpecEdit struct {
	// Files are the files that change.
	Files []EditedFile `json:"files"`
	// Names are names of blocks that were made of texts that are none.
	Names  []GivenName `json:"names,omitempty"`
	DryRun bool        `json:"dry_run,omitempty"`
}

// EditedFile is a file of the spec that changes.
type EditedFile struct {
	Name string `json:"name"`
	// Diff is the difference in the unified format.
	Diff string `json:"diff"`
}

// GivenName is the name of a block that was made of a text which is none.
type GivenName struct {
	Address string `json:"address"`
	From    string `json:"from"`
}
