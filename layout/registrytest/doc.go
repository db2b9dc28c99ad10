// Package registrytest is registries for tests, in the process of the test, with faults
// that a test switches on.
//
//	reg := registrytest.NewServed(t, "testdata/layout", registry.Options{DefaultRepo: "app"})
//	reg.Fault(registrytest.Fault{Method: "PUT", Path: "/blobs/uploads/", Times: 2, Status: 503})
//
// Served is what layform serve is: a layout on the disk, by the rules of the distribution
// spec. Registry is in memory and takes what it is given, right or wrong; its fields take
// features away, as registries in the field lack them. Both count requests and keep them,
// headers included, so that a test can say what must not have been sent.
package registrytest
