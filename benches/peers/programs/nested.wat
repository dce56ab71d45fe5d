(module (func (export "run") (param $n i32) (result i32)
  (local $i i32) (local $j i32) (local $sum i32)
  (loop $outer
    (local.set $j (i32.const 0))
    (loop $inner
      (local.set $sum (i32.add (local.get $sum) (i32.xor (local.get $i) (local.get $j))))
      (br_if $inner (i32.lt_s (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
    (br_if $outer (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (local.get $sum)))
