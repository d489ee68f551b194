module mockmoov.test/conformance/go-moov-2023

go 1.20

require github.com/speakeasy-sdks/moov-go v0.5.0
