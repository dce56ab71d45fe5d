(module (memory 2) (func (export "run") (param $n i32) (result i32)
  (local $i i32) (local $last i32) (local $x i32) (local $y i32) (local $seed i32) (local $sum i32)
  (local.set $seed (i32.const 1))
  (local.set $n (i32.shl (local.get $n) (i32.const 2)))
  (loop $make
    (local.set $seed (i32.add (i32.mul (local.get $seed) (i32.const 1103515245)) (i32.const 12345)))
    (i32.store (local.get $i) (i32.shr_u (local.get $seed) (i32.const 16)))
    (br_if $make (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $n))))
  (local.set $last (i32.sub (local.get $n) (i32.const 4)))
  (loop $pass
    (local.set $i (i32.const 0))
    (loop $next
      (local.set $x (i32.load (local.get $i)))
      (local.set $y (i32.load offset=4 (local.get $i)))
      (if (i32.gt_u (local.get $x) (local.get $y)) (then
        (i32.store (local.get $i) (local.get $y))
        (i32.store offset=4 (local.get $i) (local.get $x))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $last))))
    (br_if $pass (local.tee $last (i32.sub (local.get $last) (i32.const 4)))))
  (local.set $i (i32.const 0))
  (loop $add
    (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 31)) (i32.load (local.get $i))))
    (br_if $add (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (local.get $n))))
  (local.get $sum)))
