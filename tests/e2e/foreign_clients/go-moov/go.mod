module mockmoov.test/conformance/go-moov

go 1.26.0

require github.com/moovfinancial/moov-go v0.49.0
