//! Candle's side of the comparison: one block, forward and backward.
//!
//! Usage: peer-candle KIND D EXPERTS FILE
//! Reads the weights and the input x [B, L, D] from FILE (safetensors, in the zoo's names and layout),
//! writes y and the gradients to FILE.candle, and computes the block again for every line on standard
//! input, answering the milliseconds. RAYON_NUM_THREADS is the number of threads.
use candle_core::{safetensors, DType, Device, Result, Tensor, Var, D};
use candle_nn::ops;
use std::collections::HashMap;
use std::io::BufRead;
use std::time::Instant;

const STATE: usize = 16; // N of the scan
const TAPS: usize = 4; // of the convolution
const HEAD: usize = 64;

struct Block {
    kind: String,
    d: usize,
    experts: usize,
    weights: HashMap<String, Var>,
}

impl Block {
    fn at(&self, name: &str) -> &Tensor {
        self.weights[name].as_tensor()
    }

    fn forward(&self) -> Result<Tensor> {
        let x = self.at("x");
        if self.kind == "moe-mamba" {
            let x = (x + self.mamba(&self.norm(x, 0)?)?)?;
            &x + self.moe(&self.norm(&x, 1)?)?
        } else {
            let x = (x + self.attention(&self.norm(x, 0)?)?)?;
            let inner = linear(&self.norm(&x, 1)?, self.at("layers.1/ff/w1"))?.relu()?;
            &x + linear(&inner, self.at("layers.1/ff/w2"))?
        }
    }

    /// RMSNorm out of operators that have gradients.
    fn norm(&self, x: &Tensor, layer: usize) -> Result<Tensor> {
        let scale = (x.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?.sqrt()?;
        x.broadcast_div(&scale)?.broadcast_mul(self.at(&format!("layers.{layer}/norm/weight")))
    }

    fn mamba(&self, x: &Tensor) -> Result<Tensor> {
        let p = |name: &str| self.at(&format!("layers.0/mamba/{name}"));
        let (b, l, _) = x.dims3()?;
        let inner = 2 * self.d;
        let xz = linear(x, p("in_proj.weight"))?;
        let (u, z) = (xz.narrow(2, 0, inner)?, xz.narrow(2, inner, inner)?);
        let padded = u.pad_with_zeros(1, TAPS - 1, 0)?;
        let mut conv = p("conv1d.bias").broadcast_as((b, l, inner))?;
        for k in 0..TAPS {
            let tap = p("conv1d.weight").narrow(1, k, 1)?.flatten_all()?;
            conv = (conv + padded.narrow(1, k, l)?.broadcast_mul(&tap)?)?;
        }
        let u = conv.silu()?;
        let rank = self.d.div_ceil(16);
        let s = linear(&u, p("x_proj.weight"))?;
        let (bs, cs) = (s.narrow(2, rank, STATE)?, s.narrow(2, rank + STATE, STATE)?);
        let raw = linear(&s.narrow(2, 0, rank)?, p("dt_proj.weight"))?.broadcast_add(p("dt_proj.bias"))?;
        let dt = (raw.exp()? + 1.)?.log()?;
        let a = p("A_log").exp()?.neg()?.unsqueeze(0)?; // [1, Di, N]
        let du = (&dt * &u)?;
        let mut h = Tensor::zeros((b, inner, STATE), DType::F32, x.device())?;
        let mut ys = Vec::with_capacity(l);
        for t in 0..l {
            let step = |v: &Tensor| v.narrow(1, t, 1)?.squeeze(1);
            let decay = step(&dt)?.unsqueeze(2)?.broadcast_mul(&a)?.exp()?;
            let more = step(&du)?.unsqueeze(2)?.broadcast_mul(&step(&bs)?.unsqueeze(1)?)?;
            h = ((h * decay)? + more)?;
            ys.push(h.matmul(&step(&cs)?.unsqueeze(2)?)?.squeeze(2)?);
        }
        let y = (Tensor::stack(&ys, 1)? + u.broadcast_mul(p("D"))?)?;
        linear(&(y * z.silu()?)?, p("out_proj.weight"))
    }

    /// Each expert on the rows that were routed to it.
    fn moe(&self, x: &Tensor) -> Result<Tensor> {
        let p = |name: &str| self.at(&format!("layers.1/moe/{name}"));
        let flat = x.flatten_to(1)?;
        let probabilities = ops::softmax(&flat.matmul(p("router/router"))?, 1)?;
        let expert = probabilities.argmax_keepdim(1)?;
        let weight = probabilities.gather(&expert, 1)?;
        let chosen = expert.flatten_all()?.to_vec1::<u32>()?;
        let mut out = flat.zeros_like()?;
        for e in 0..self.experts {
            let rows: Vec<u32> = (0..chosen.len() as u32).filter(|&i| chosen[i as usize] == e as u32).collect();
            if rows.is_empty() {
                continue;
            }
            let rows = Tensor::new(rows.as_slice(), x.device())?;
            let w = |name: &str| p(name).narrow(0, e, 1)?.squeeze(0);
            let y = flat.index_select(&rows, 0)?.matmul(&w("experts/w1")?)?.relu()?.matmul(&w("experts/w2")?)?;
            out = out.index_add(&rows, &y.broadcast_mul(&weight.index_select(&rows, 0)?)?, 0)?;
        }
        out.reshape(x.shape())
    }

    fn attention(&self, x: &Tensor) -> Result<Tensor> {
        let p = |name: &str| self.at(&format!("layers.0/attention/{name}_proj.weight"));
        let (b, l, _) = x.dims3()?;
        let heads = |name: &str| linear(x, p(name))?.reshape((b, l, self.d / HEAD, HEAD))?.transpose(1, 2)?.contiguous();
        let scores = (heads("q")?.matmul(&heads("k")?.t()?)? * (HEAD as f64).powf(-0.5))?;
        let mask: Vec<f32> = (0..l * l).map(|i| if i % l > i / l { f32::NEG_INFINITY } else { 0. }).collect();
        let scores = scores.broadcast_add(&Tensor::from_vec(mask, (l, l), x.device())?)?;
        let y = ops::softmax(&scores, 3)?.matmul(&heads("v")?)?;
        linear(&y.transpose(1, 2)?.contiguous()?.reshape((b, l, self.d))?, p("o"))
    }

    fn step(&self) -> Result<(Tensor, candle_core::backprop::GradStore)> {
        let y = self.forward()?;
        let gradients = y.sum_all()?.backward()?;
        Ok((y, gradients))
    }
}

/// x [B, L, in] times w [in, out], as one product of B·L rows.
fn linear(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let (b, l, _) = x.dims3()?;
    x.contiguous()?.flatten_to(1)?.matmul(w)?.reshape((b, l, w.dim(1)?))
}

/// Milliseconds of all threads so far.
fn processor_ms() -> f64 {
    let mut u: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut u) };
    let ms = |t: libc::timeval| t.tv_sec as f64 * 1e3 + t.tv_usec as f64 / 1e3;
    ms(u.ru_utime) + ms(u.ru_stime)
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, kind, d, experts, path] = args.as_slice() else { panic!("usage: peer-candle KIND D EXPERTS FILE") };
    let mut weights = HashMap::new();
    for (name, t) in safetensors::load(path, &Device::Cpu)? {
        weights.insert(name, Var::from_tensor(&t)?);
    }
    let block = Block { kind: kind.clone(), d: d.parse().unwrap(), experts: experts.parse().unwrap(), weights };
    let (y, gradients) = block.step()?;
    let mut out = HashMap::from([("y".to_string(), y)]);
    for (name, v) in &block.weights {
        let g = gradients.get(v.as_tensor()).unwrap_or_else(|| panic!("{name} has no gradient"));
        out.insert(format!("d/{name}"), g.contiguous()?);
    }
    safetensors::save(&out, format!("{path}.candle"))?;
    drop((out, gradients));
    println!("{{\"ready\": \"candle 0.11.1\"}}");
    for line in std::io::stdin().lock().lines() {
        line?;
        let (start, used) = (Instant::now(), processor_ms());
        block.step()?;
        println!("{{\"wall_ms\": {}, \"cpu_ms\": {}}}", start.elapsed().as_secs_f64() * 1e3, processor_ms() - used);
    }
    Ok(())
}
