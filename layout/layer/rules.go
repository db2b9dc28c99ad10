package layer

import "fmt"

// Rule is the id of a rule that layers are checked by. Ids do not change.
type Rule string

// The rules about a layer as a stream.
const (
	// RuleUnreadable: the stream is neither a tar nor one that is compressed with
	// gzip or zstd, or it is damaged or cut off.
	RuleUnreadable Rule = "layer-unreadable"
	// RuleRatio: the stream decompresses to more than a layer may.
	RuleRatio Rule = "layer-ratio"
	// RuleTrailing: something follows the end of the tar or of the compressed stream.
	RuleTrailing Rule = "layer-trailing-data"
	// RuleEnd: the tar lacks the two zero blocks that end it.
	RuleEnd Rule = "layer-end"
)

// The rules about the entries of a layer.
const (
	// RuleHeader: readers of tars understand the headers in different ways.
	RuleHeader Rule = "layer-header"
	// RuleEntrySize: headers disagree about the size, so that some readers take
	// content for headers.
	RuleEntrySize Rule = "layer-entry-size"
	// RuleEntryType: layers have no entries of the type.
	RuleEntryType Rule = "layer-entry-type"
	// RuleSparse: the entry is a sparse file in GNU's format.
	RuleSparse Rule = "layer-sparse"
	// RuleName: the name is not UTF-8.
	RuleName Rule = "layer-name"
	// RulePath: the name leads out of the layer, or no file can have it.
	RulePath Rule = "layer-path"
	// RuleAbsolute: the name, or the target of a hard link, begins with a slash.
	RuleAbsolute Rule = "layer-absolute"
	// RuleRoot: the root of the layer is something else than a directory.
	RuleRoot Rule = "layer-root"
	// RuleDuplicate: two entries have one path.
	RuleDuplicate Rule = "layer-duplicate"
	// RuleBelowFile: the entry lies below something that is no directory.
	RuleBelowFile Rule = "layer-below-file"
	// RuleThroughLink: the entry lies below a symbolic link of the same layer.
	RuleThroughLink Rule = "layer-through-symlink"
	// RuleHardlink: no reader can make the hard link.
	RuleHardlink Rule = "layer-hardlink"
	// RuleHardlinkLower: the target of a hard link is no earlier entry of the layer.
	RuleHardlinkLower Rule = "layer-hardlink-lower"
	// RuleWhiteoutForm: a whiteout is no empty regular file.
	RuleWhiteoutForm Rule = "whiteout-form"
	// RuleWhiteoutName: a whiteout names no file, but a directory itself or the one above.
	RuleWhiteoutName Rule = "whiteout-name"
	// RuleWhiteoutReserved: the name begins with .wh..wh. and is not that of an
	// opaque whiteout.
	RuleWhiteoutReserved Rule = "whiteout-reserved"
	// RuleWhiteoutOwn: a whiteout and an entry of one layer are for one path.
	RuleWhiteoutOwn Rule = "whiteout-own-layer"
	// RuleWhiteoutOrder: a whiteout comes after a sibling.
	RuleWhiteoutOrder Rule = "whiteout-order"
)

// verdict is the consequence of a broken rule.
type verdict struct {
	rule Rule
	// must is set where the image spec, or every reader, demands the rule.
	must bool
	// archive is set where an archive that breaks the rule is refused as a layer.
	archive bool
	// quiet is set where the validator says nothing: honest tools make such layers,
	// and all readers take them.
	quiet bool
	// foreign is set where the layers of others are refused as well: their content is
	// ambiguous, or they are made to do harm. Names that lead out of the layer do none:
	// what lies above the root is the root, and a hard link to nothing has no content.
	foreign bool
}

// verdicts is the one table of rules: for the validator, for the import of
// archives, and for readers of layers that layform did not write.
var verdicts = [...]verdict{
	{rule: RuleUnreadable, must: true, archive: true, foreign: true},
	{rule: RuleRatio, archive: true, foreign: true},
	{rule: RuleTrailing, archive: true},
	{rule: RuleEnd, archive: true, quiet: true},
	{rule: RuleHeader, must: true, archive: true, foreign: true},
	{rule: RuleEntrySize, must: true, archive: true, foreign: true},
	{rule: RuleEntryType, archive: true},
	{rule: RuleSparse, archive: true},
	{rule: RuleName, archive: true},
	{rule: RulePath, must: true, archive: true},
	{rule: RuleAbsolute, archive: true},
	{rule: RuleRoot, must: true, archive: true, foreign: true},
	{rule: RuleDuplicate, must: true, archive: true},
	{rule: RuleBelowFile, must: true, archive: true},
	{rule: RuleThroughLink, archive: true},
	{rule: RuleHardlink, must: true, archive: true},
	{rule: RuleHardlinkLower, archive: true},
	{rule: RuleWhiteoutForm, must: true, archive: true, foreign: true},
	{rule: RuleWhiteoutName, must: true, archive: true, foreign: true},
	{rule: RuleWhiteoutReserved, archive: true},
	{rule: RuleWhiteoutOwn, archive: true},
	{rule: RuleWhiteoutOrder},
}

// Rules lists all rules.
func Rules() []Rule {
	all := make([]Rule, len(verdicts))
	for i, v := range verdicts {
		all[i] = v.rule
	}
	return all
}

func (r Rule) verdict() verdict {
	for _, v := range verdicts {
		if v.rule == r {
			return v
		}
	}
	return verdict{rule: r}
}

// Must reports whether a layer that breaks the rule is invalid; otherwise it is
// one that some reader may take in another way.
func (r Rule) Must() bool { return r.verdict().must }

// Reported reports whether a breach of the rule is a finding about a layer. Others
// concern archives alone.
func (r Rule) Reported() bool { return !r.verdict().quiet }

// Breach is a layer's breach of a rule: an error that nothing but another layer
// mends.
type Breach struct {
	Rule Rule
	// Name is the name of the entry as the tar has it, shortened where it is long;
	// empty where the breach is the layer's.
	Name string
	// Problem is the message, without the name.
	Problem string
	// Err is the error behind Problem, nil where there is none.
	Err error
}

// Error names the entry and what is wrong with it.
func (b *Breach) Error() string {
	if b.Name == "" && b.Rule != RuleRoot {
		return b.Problem
	}
	return fmt.Sprintf("%q: %s", b.Name, b.Problem)
}

// Unwrap gives Err.
func (b *Breach) Unwrap() error { return b.Err }

// unreadable is a breach of RuleUnreadable.
func unreadable(format string, args ...any) *Breach {
	err := fmt.Errorf(format, args...)
	return &Breach{Rule: RuleUnreadable, Problem: err.Error(), Err: err}
}

// RefuseArchive gives back breaches for which an archive is refused as a layer,
// and nil for others. It is the Breach of a Visitor.
func RefuseArchive(b *Breach) error {
	if b.Rule.verdict().archive {
		return b
	}
	return nil
}

// RefuseForeign returns breaches that make the content of a layer ambiguous, and nil
// for others. It is the Breach of a Visitor.
func RefuseForeign(b *Breach) error {
	if b.Rule.verdict().foreign {
		return b
	}
	return nil
}

// shortened is the beginning of a name that is too long for a message.
func shortened(name string) string {
	if len(name) > 64 {
		return name[:64] + "…"
	}
	return name
}
