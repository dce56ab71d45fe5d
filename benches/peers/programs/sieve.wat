(module (memory 1) (func (export "run") (param $rounds i32) (result i32)
  (local $i i32) (local $j i32) (local $count i32)
  (loop $round
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 10000))
    (local.set $count (i32.const 0))
    (local.set $i (i32.const 2))
    (loop $next
      (if (i32.eqz (i32.load8_u (local.get $i))) (then
        (local.set $count (i32.add (local.get $count) (i32.const 1)))
        (local.set $j (i32.shl (local.get $i) (i32.const 1)))
        (if (i32.lt_u (local.get $j) (i32.const 10000)) (then
          (loop $mark
            (i32.store8 (local.get $j) (i32.const 1))
            (br_if $mark (i32.lt_u (local.tee $j (i32.add (local.get $j) (local.get $i))) (i32.const 10000))))))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))
    (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
  (local.get $count)))
