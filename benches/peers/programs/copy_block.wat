(module (memory 2) (func (export "run") (param $rounds i32) (result i32)
  (local $i i32)
  (loop $fill
    (i32.store (i32.shl (local.get $i) (i32.const 2)) (i32.mul (local.get $i) (i32.const 7)))
    (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))
  (loop $round
    (memory.copy (i32.const 40000) (i32.const 0) (i32.const 40000))
    (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
  (i32.add (i32.load (i32.const 79996)) (i32.load (i32.const 40004)))))
