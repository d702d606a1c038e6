package kernel

// genericNR is the number of columns of the portable micro-kernel.
const genericNR = 16

// microGeneric computes a rows × cols block, rows in [1, 6], cols in [1, 16]
// rounded up to a multiple of 4:
//
//	c[i,j] (+)= Σ_p a[i,p]·b[p,j]     p in [0, kc), j in [0, cols)
//
// with a[i,p] at a[i*ars+p*acs], b[p,j] at b[p*bs+j] and c[i,j] at c[i*ldc+j].
// The sum of one element runs over p in order and is added to c at the end, so
// it does not depend on how the product was cut into blocks of rows and columns. It
// asks for nothing.
func microGeneric(rows, cols, kc int, a []float32, ars, acs int, b []float32, bs int, c []float32, ldc int, acc bool, _ asked) {
	for i := range rows {
		ai := a[i*ars:]
		ci := c[i*ldc : i*ldc+roundUp(cols, 4)]
		for j := 0; j < cols; j += 4 {
			var s0, s1, s2, s3 float32
			for p := range kc {
				v := ai[p*acs]
				bp := b[p*bs+j : p*bs+j+4 : p*bs+j+4]
				s0 += v * bp[0]
				s1 += v * bp[1]
				s2 += v * bp[2]
				s3 += v * bp[3]
			}
			if acc {
				s0, s1, s2, s3 = s0+ci[j], s1+ci[j+1], s2+ci[j+2], s3+ci[j+3]
			}
			ci[j], ci[j+1], ci[j+2], ci[j+3] = s0, s1, s2, s3
		}
	}
}

// packTGeneric transposes 16 rows of kc values, ld apart, into dst[p*16+i] = src[i*ld+p].
func packTGeneric(kc int, src []float32, ld int, dst []float32) {
	for i := range genericNR {
		row := src[i*ld : i*ld+kc]
		for p, v := range row {
			dst[p*genericNR+i] = v
		}
	}
}

// packGeneric copies kc rows of width values, ld apart, behind one another:
// dst[p*width+i] = src[p*ld+i].
func packGeneric(kc, width int, src []float32, ld int, dst []float32) {
	for p := range kc {
		copy(dst[p*width:(p+1)*width], src[p*ld:p*ld+width])
	}
}

// packPanelsGeneric packs panels that lie side by side:
// dst[q*width*kc+p*width+i] = src[p*ld+q*width+i].
func packPanelsGeneric(kc, panels, width int, src []float32, ld int, dst []float32) {
	for q := range panels {
		packGeneric(kc, width, src[q*width:], ld, dst[q*width*kc:])
	}
}

// addRowsGeneric adds o to rows of nr columns of z: z[i*ldz+j] += o[i*ldo+j].
func addRowsGeneric(rows int, z []float32, ldz int, o []float32, ldo int) {
	for i := range rows {
		addGeneric(z[i*ldz:i*ldz+genericNR], z[i*ldz:i*ldz+genericNR], o[i*ldo:])
	}
}

// reluRowsGeneric is reluGeneric on rows of nr columns of z.
func reluRowsGeneric(rows int, z []float32, ldz int) {
	for i := range rows {
		reluGeneric(z[i*ldz:i*ldz+genericNR], z[i*ldz:i*ldz+genericNR])
	}
}

// reluGradRowsGeneric is reluGradGeneric on rows of nr columns: z stays where o is above 0.
func reluGradRowsGeneric(rows int, z []float32, ldz int, o []float32, ldo int) {
	for i := range rows {
		reluGradGeneric(z[i*ldz:i*ldz+genericNR], o[i*ldo:i*ldo+genericNR], z[i*ldz:])
	}
}

// gemvNGeneric adds a row vector times a matrix: y[j] += Σ_p x[p]·b[p*ldb+j].
// The sum runs over p in order. b reaches to the end of the matrix; the last argument tells that
// the rows before were added by the same core, and matters for speed only.
func gemvNGeneric(y, x, b []float32, ldb int, _ bool) {
	for p, v := range x {
		row := b[p*ldb : p*ldb+len(y)]
		for j, w := range row {
			y[j] += v * w
		}
	}
}
