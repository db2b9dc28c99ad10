package spec

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// restore takes a value that a plan recorded.
func (v *variable) restore(r Variable) hcl.Diagnostics {
	v.value = cty.UnknownVal(v.typ)
	if v.invalid {
		return nil
	}
	t, err := ctyjson.UnmarshalType(r.Type)
	if err == nil {
		v.value, err = ctyjson.Unmarshal(r.Value, t)
	}
	if err != nil {
		v.invalid = true
		return hcl.Diagnostics{v.problem(v.rng, fmt.Sprintf("the plan holds no proper value (%s). Make a new plan.", err))}
	}
	value, problem := v.convert(v.value, v.rng, "the value in the plan")
	if problem != nil {
		v.invalid = true
		return hcl.Diagnostics{problem}
	}
	v.value = value
	return nil
}

// compare checks that a sensitive variable has the value that it had for the plan.
func (v *variable) compare(r Variable) hcl.Diagnostics {
	if v.invalid {
		return nil
	}
	if d, err := saltedDigest(v.value, r.Salt); err != nil || d != r.Digest {
		v.invalid = true
		return hcl.Diagnostics{v.problem(v.rng, "it is sensitive, so the plan does not hold its value, and the value given now is another one than "+
			"the plan was made with. Give the same value, or make a new plan.")}
	}
	return nil
}

// record is the form in which a plan keeps the variable.
func (v *variable) record() (Variable, error) {
	r := Variable{Name: v.name, Sensitive: v.sensitive}
	value, _ := v.value.UnmarkDeep()
	if !v.sensitive {
		var err error
		if r.Type, err = ctyjson.MarshalType(value.Type()); err != nil {
			return r, err
		}
		r.Value, err = ctyjson.Marshal(value, value.Type())
		return r, err
	}
	r.Salt = rand.Text()
	var err error
	r.Digest, err = saltedDigest(value, r.Salt)
	return r, err
}

// saltedDigest is a digest over a salt, the type and the value.
func saltedDigest(value cty.Value, salt string) (digest.Digest, error) {
	value, _ = value.UnmarkDeep()
	t, err := ctyjson.MarshalType(value.Type())
	if err != nil {
		return "", err
	}
	raw, err := ctyjson.Marshal(value, value.Type())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(slices.Concat([]byte(salt), []byte{0}, t, []byte{0}, raw))
	return digest.NewDigestFromEncoded(digest.SHA256, hex.EncodeToString(sum[:])), nil
}
