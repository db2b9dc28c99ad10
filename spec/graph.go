package spec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/layform/layform/spec/eval"
)

// vertex is a variable, a local or a block in the reference graph: one of its
// fields is set.
type vertex struct {
	variable string
	local    string
	block    Address
}

func (n vertex) String() string {
	switch {
	case n.variable != "":
		return "var." + n.variable
	case n.local != "":
		return "local." + n.local
	}
	return n.block.String()
}

// rank orders variables before locals before blocks.
func (n vertex) rank() int {
	switch {
	case n.variable != "":
		return 0
	case n.local != "":
		return 1
	}
	return 2
}

// edge is one dependency of a vertex.
type edge struct {
	to  vertex
	rng hcl.Range
	// why explains a dependency that no expression of the vertex shows.
	why string
}

// compareVertices puts variables before locals before blocks, and orders each by
// name.
func compareVertices(a, b vertex) int {
	return cmp.Or(
		cmp.Compare(a.rank(), b.rank()),
		strings.Compare(a.variable, b.variable),
		strings.Compare(a.local, b.local),
		a.block.Compare(b.block),
	)
}

// expressions lists all expressions of a block.
func (b *block) expressions() []*eval.Expression {
	var list []*eval.Expression
	if b.forEach != nil {
		list = append(list, b.forEach)
	}
	for _, a := range b.attrs {
		list = append(list, a.expr)
	}
	for _, n := range b.nested {
		if n.dynamic != nil {
			list = append(list, n.dynamic.forEach)
			if n.dynamic.labels != nil {
				list = append(list, n.dynamic.labels)
			}
		}
		for _, a := range n.attrs {
			list = append(list, a.expr)
		}
	}
	return list
}

// graph holds the edges of all vertices.
type graph struct {
	vertices []vertex
	edges    map[vertex][]edge
}

// graph builds the reference graph over variables, locals and blocks.
func (p *module) graph() *graph {
	g := &graph{vertices: make([]vertex, 0, len(p.variables)+len(p.locals)+len(p.blocks)), edges: map[vertex][]edge{}}
	for _, name := range keysOf(p.variables) {
		n := vertex{variable: name}
		g.vertices = append(g.vertices, n)
		if v := p.variables[name]; v.defaultExpr != nil && v.usesDefault() {
			g.add(n, p.edges(v.defaultExpr))
		}
	}
	for _, name := range keysOf(p.locals) {
		n := vertex{local: name}
		g.vertices = append(g.vertices, n)
		g.add(n, p.edges(p.locals[name].expr))
	}
	for addr, b := range p.blocks {
		n := vertex{block: addr}
		g.vertices = append(g.vertices, n)
		for _, e := range b.expressions() {
			g.add(n, p.edges(e))
		}
	}
	slices.SortFunc(g.vertices, compareVertices)
	p.configEdges(g)
	return g
}

// add adds edges of a vertex; one that has none takes no room.
func (g *graph) add(n vertex, edges []edge) {
	if len(edges) > 0 {
		g.edges[n] = append(g.edges[n], edges...)
	}
}

// edges lists the direct references of an expression.
func (p *module) edges(e *eval.Expression) []edge {
	var edges []edge
	for _, r := range e.References {
		name, _, _ := r.Name()
		if r.Root() == rootVar && p.variables[name] != nil {
			edges = append(edges, edge{to: vertex{variable: name}, rng: r.Range()})
		}
		if r.Root() == rootLocal && p.locals[name] != nil {
			edges = append(edges, edge{to: vertex{local: name}, rng: r.Range()})
		}
		if addr, ok := r.Block(); ok && p.blocks[addr] != nil {
			edges = append(edges, edge{to: vertex{block: addr}, rng: r.Range()})
		}
	}
	return edges
}

// configEdges adds edges from a config to the layers of the manifests that use it: it
// holds their diffIDs and history.
func (p *module) configEdges(g *graph) {
	for _, n := range g.vertices {
		if n.block.Kind != KindManifest {
			continue
		}
		b := p.blocks[n.block]
		configs := p.reachable(g, b.attrs.named("config"), KindConfig)
		layers := p.reachable(g, b.attrs.named("layers"), KindLayer)
		for _, c := range configs {
			from := vertex{block: c.to.block}
			for _, l := range layers {
				why := fmt.Sprintf("%s is built after the layers of %s, for their digests stand in it.", c.to, n)
				g.edges[from] = append(g.edges[from], edge{to: l.to, rng: l.rng, why: why})
			}
		}
	}
}

// reachable lists the blocks of a kind that an attribute refers to, itself or
// through locals.
func (p *module) reachable(g *graph, a *attribute, kind Kind) []edge {
	if a == nil {
		return nil
	}
	var found []edge
	seen := map[vertex]bool{}
	var follow func(edges []edge, at *hcl.Range)
	follow = func(edges []edge, at *hcl.Range) {
		for _, e := range edges {
			if seen[e.to] {
				continue
			}
			seen[e.to] = true
			rng := e.rng
			if at != nil {
				rng = *at
			}
			if e.to.local != "" {
				follow(g.edges[e.to], &rng)
			} else if e.to.block.Kind == kind {
				found = append(found, edge{to: e.to, rng: rng})
			}
		}
	}
	follow(p.edges(a.expr), nil)
	return found
}

// sort orders the vertices, each after what it refers to, and reports cycles. The
// vertices of a cycle are in invalid.
func (g *graph) sort() (order []vertex, invalid map[vertex]bool, diags hcl.Diagnostics) {
	const (
		fresh = iota
		open
		done
	)
	state := map[vertex]int{}
	invalid = map[vertex]bool{}
	var path []vertex
	var visit func(n vertex)
	visit = func(n vertex) {
		state[n] = open
		path = append(path, n)
		for _, e := range g.edges[n] {
			switch state[e.to] {
			case fresh:
				visit(e.to)
			case open:
				cycle := append(slices.Clone(path[slices.Index(path, e.to):]), e.to)
				if !slices.ContainsFunc(cycle, func(n vertex) bool { return invalid[n] }) {
					diags = append(diags, cycleProblem(cycle, e, g))
				}
				for _, n := range cycle {
					invalid[n] = true
				}
			}
		}
		path = path[:len(path)-1]
		state[n] = done
		order = append(order, n)
	}
	for _, n := range g.vertices {
		if state[n] == fresh {
			visit(n)
		}
	}
	return order, invalid, diags
}

func cycleProblem(cycle []vertex, last edge, g *graph) *hcl.Diagnostic {
	names := make([]string, len(cycle))
	var whys []string
	for i, n := range cycle {
		names[i] = n.String()
		if i+1 == len(cycle) {
			break
		}
		// One edge that an expression shows is reason enough.
		why := ""
		for _, e := range g.edges[n] {
			if e.to == cycle[i+1] {
				if why = e.why; why == "" {
					break
				}
			}
		}
		if why != "" && !slices.Contains(whys, why) {
			whys = append(whys, why)
		}
	}
	detail := "These refer to each other in a circle, so none of them can be built first: " + strings.Join(names, " → ") + "."
	if len(cycle) == 2 {
		detail = fmt.Sprintf("%s refers to itself: %s.", cycle[0], strings.Join(names, " → "))
	}
	for _, why := range whys {
		detail += " " + why
	}
	rng := last.rng
	return eval.Errorf(&rng, "Reference cycle", "%s", detail)
}
