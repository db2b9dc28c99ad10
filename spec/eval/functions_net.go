package eval

import (
	"fmt"
	"math/big"
	"net"
	"net/netip"

	"github.com/apparentlymart/go-cidr/cidr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// network parses a prefix such as 10.0.0.0/8. Octets with leading zeros, which
// some readers take for octal, are no addresses.
func network(args []cty.Value, i int) (*net.IPNet, error) {
	_, n, err := net.ParseCIDR(args[i].AsString())
	if err != nil {
		return nil, function.NewArgErrorf(i, "%q is no prefix such as 10.0.0.0/8 or fd00::/8", args[i].AsString())
	}
	return n, nil
}

// integer is a whole number.
func integer(args []cty.Value, i int) (*big.Int, error) {
	n, accuracy := args[i].AsBigFloat().Int(nil)
	if n == nil || accuracy != big.Exact {
		return nil, function.NewArgErrorf(i, "a whole number is needed")
	}
	return n, nil
}

// smallInteger is a whole number from low to high.
func smallInteger(args []cty.Value, i, low, high int) (int, error) {
	n, err := integer(args, i)
	if err != nil {
		return 0, err
	}
	if !n.IsInt64() || n.Int64() < int64(low) || n.Int64() > int64(high) {
		return 0, function.NewArgErrorf(i, "a whole number from %d to %d is needed", low, high)
	}
	return int(n.Int64()), nil
}

// networkFunc makes a function of a prefix and numbers with a string result.
func networkFunc(numbers []string, f func(n *net.IPNet, args []cty.Value) (string, error)) function.Function {
	params := []function.Parameter{{Name: "prefix", Type: cty.String}}
	for _, name := range numbers {
		params = append(params, function.Parameter{Name: name, Type: cty.Number})
	}
	return function.New(&function.Spec{
		Params:       params,
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			n, err := network(args, 0)
			text := ""
			if err == nil {
				text, err = f(n, args)
			}
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			return cty.StringVal(text), nil
		},
	})
}

func cidrHostFunc() function.Function {
	return networkFunc([]string{"hostnum"}, func(n *net.IPNet, args []cty.Value) (string, error) {
		num, err := integer(args, 1)
		if err != nil {
			return "", err
		}
		ip, err := cidr.HostBig(n, num)
		if err != nil {
			return "", function.NewArgError(1, err)
		}
		return ip.String(), nil
	})
}

func cidrNetmaskFunc() function.Function {
	return networkFunc(nil, func(n *net.IPNet, _ []cty.Value) (string, error) {
		if len(n.IP) != net.IPv4len {
			return "", function.NewArgErrorf(0, "IPv6 has no netmasks, only prefixes")
		}
		return net.IP(n.Mask).String(), nil
	})
}

func cidrSubnetFunc() function.Function {
	return networkFunc([]string{"newbits", "netnum"}, func(n *net.IPNet, args []cty.Value) (string, error) {
		bits, err := smallInteger(args, 1, 0, 128)
		if err != nil {
			return "", err
		}
		num, err := integer(args, 2)
		if err != nil {
			return "", err
		}
		if num.Sign() < 0 {
			return "", function.NewArgErrorf(2, "a whole number from 0 is needed")
		}
		subnet, err := cidr.SubnetBig(n, bits, num)
		if err != nil {
			return "", err
		}
		return subnet.String(), nil
	})
}

// cidrSubnetsFunc is cidrsubnets: prefixes of the given lengths, one after the
// other.
func cidrSubnetsFunc() function.Function {
	t := cty.List(cty.String)
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "prefix", Type: cty.String}},
		VarParam:     &function.Parameter{Name: "newbits", Type: cty.Number},
		Type:         function.StaticReturnType(t),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			base, err := network(args, 0)
			if err != nil {
				return cty.UnknownVal(t), err
			}
			ones, size := base.Mask.Size()
			var subnets []cty.Value
			var last *net.IPNet
			for i := 1; i < len(args); i++ {
				bits, err := smallInteger(args, i, 1, size-ones)
				if err != nil {
					return cty.UnknownVal(t), err
				}
				next, full := &net.IPNet{IP: base.IP, Mask: net.CIDRMask(ones+bits, size)}, false
				if last != nil {
					next, full = cidr.NextSubnet(last, ones+bits)
				}
				if full || !base.Contains(next.IP) {
					return cty.UnknownVal(t), function.NewArgErrorf(i, "%s has no room for this subnet behind those before it", base)
				}
				subnets, last = append(subnets, cty.StringVal(next.String())), next
			}
			if len(subnets) == 0 {
				return cty.ListValEmpty(cty.String), nil
			}
			return cty.ListVal(subnets), nil
		},
	})
}

// cidrContainsFunc is cidrcontains: whether an address or a prefix lies in a
// prefix.
func cidrContainsFunc() function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "containing_prefix", Type: cty.String}, {Name: "contained_ip_or_prefix", Type: cty.String}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			outer, err := netip.ParsePrefix(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.Bool), function.NewArgErrorf(0, "%q is no prefix such as 10.0.0.0/8 or fd00::/8", args[0].AsString())
			}
			inner, err := parseAddressOrPrefix(args[1].AsString())
			if err != nil {
				return cty.UnknownVal(cty.Bool), function.NewArgError(1, err)
			}
			if inner.Addr().Is4() != outer.Addr().Is4() {
				return cty.UnknownVal(cty.Bool), function.NewArgErrorf(1, "both must be of IPv4, or both of IPv6")
			}
			return cty.BoolVal(outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())), nil
		},
	})
}

func parseAddressOrPrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p, nil
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a prefix", s)
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}
