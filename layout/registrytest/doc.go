// Package registrytest is a registry for tests: in memory, in the process of the
// test, with faults that a test switches on.
//
//	reg := registrytest.New(t)
//	reg.Fault(registrytest.Fault{Method: "PUT", Path: "/blobs/uploads/", Times: 2, Status: 503})
//
// It serves the distribution spec: pulls with ranges, monolithic and chunked
// uploads, mounts, tags and referrers with pages, deletes, conditional puts, and
// several tags in one put. The fields of Registry take features away. It counts
// requests and keeps them, headers included, so that a test can say what must not
// have been sent.
package registrytest
