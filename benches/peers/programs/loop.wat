(module (func (export "run") (param $n i32) (result i32)
  (local $i i32) (local $sum i32)
  (loop $next
    (local.set $sum (i32.add (local.get $sum) (local.get $i)))
    (br_if $next (i32.lt_s (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
  (local.get $sum)))
