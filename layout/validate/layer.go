package validate

import (
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"

	"github.com/layform/layform/layout/imagespec"
	"github.com/layform/layform/layout/layer"
)

// sameRule is how many findings of one rule are reported for one layer.
const sameRule = 20

// layerValidator looks into one layer, by the rules of package layer.
type layerValidator struct {
	name     string
	findings []Finding
	counts   map[Rule]int
}

// auditLayer reads the layer in and reports all its faults. It may leave bytes of in
// unread. limit is the number of bytes that it reads of the tar.
func auditLayer(name string, in *layer.Meter, limit int64, uses []layerUse) []Finding {
	l := &layerValidator{name: name, counts: map[Rule]int{}}
	stream, is, err := layer.Detect(in)
	if err != nil {
		is = imagespec.Uncompressed // no tar, as the scan will say
	}
	for _, u := range uses {
		if u.algorithm != is {
			l.breach(RuleLayerCompression, "", fmt.Sprintf("the layer is %s, but %s of %s says that it is %s", compressionText(is), u.place, u.object, compressionText(u.algorithm)))
			break
		}
	}
	plain, err := layer.Decompress(stream, is, limit)
	if err != nil {
		l.failed(err)
		return l.done()
	}
	defer plain.Close()
	diff := digest.SHA256.Digester()
	out := io.TeeReader(plain, diff.Hash())
	err = layer.Scan(out, layer.Visitor{Breach: func(b *layer.Breach) error {
		if b.Rule.Reported() {
			l.breach(Rule(b.Rule), b.Name, b.Problem)
		}
		return nil
	}})
	whole := err == nil
	if err != nil {
		l.failed(err)
		// What is no tar has a diffID nevertheless, if it can be decompressed.
		_, err = io.Copy(io.Discard, out)
		var b *layer.Breach
		whole = err == nil || errors.As(err, &b) && b.Rule == layer.RuleTrailing
	}
	if in.Err() != nil {
		return nil // the system's fault, which the caller reports
	}
	if whole {
		l.diffIDs(uses, diff.Digest())
	}
	return l.done()
}

// compressionText names a compression in a message.
func compressionText(a imagespec.Algorithm) string {
	if a == imagespec.Uncompressed {
		return "not compressed"
	}
	return "compressed with " + a.String()
}

// breach keeps a finding, up to a number for each rule.
func (l *layerValidator) breach(rule Rule, place, problem string) {
	if l.counts[rule]++; l.counts[rule] <= sameRule {
		l.findings = append(l.findings, Finding{Rule: rule, Object: l.name, Place: place, Problem: problem})
	}
}

// failed reports the error with which reading the layer ended.
func (l *layerValidator) failed(err error) {
	var b *layer.Breach
	switch {
	case !errors.As(err, &b):
		l.breach(RuleLayerUnreadable, "", err.Error())
	case b.Rule == layer.RuleRatio:
		l.breach(RuleLayerRatio, "", b.Problem+"; the rest was not checked")
	default:
		l.breach(Rule(b.Rule), b.Name, b.Problem)
	}
}

// done gives the findings, with the number of those that were left out.
func (l *layerValidator) done() []Finding {
	for _, text := range imageRules() {
		if n := l.counts[text.Rule]; n > sameRule {
			l.findings = append(l.findings, Finding{Rule: text.Rule, Object: l.name, Problem: fmt.Sprintf("and %d more of this kind", n-sameRule)})
		}
	}
	return l.findings
}

// diffIDs compares the digest of the tar with those of the configs.
func (l *layerValidator) diffIDs(uses []layerUse, got digest.Digest) {
	for _, u := range uses {
		if u.diffID == "" || u.diffID.Algorithm() != digest.SHA256 || u.diffID == got {
			continue
		}
		l.breach(RuleDiffID, "", fmt.Sprintf("its diffID is %s, but %s says %s for %s of %s", got, u.config, u.diffID, u.place, u.object))
	}
}
