(module (memory 1) (func (export "run") (param $rounds i32) (result i32)
  (local $i i32) (local $c i32) (local $k i32)
  (loop $table
    (local.set $c (local.get $i))
    (local.set $k (i32.const 8))
    (loop $bit
      (if (i32.and (local.get $c) (i32.const 1))
        (then (local.set $c (i32.xor (i32.shr_u (local.get $c) (i32.const 1)) (i32.const 0xEDB88320))))
        (else (local.set $c (i32.shr_u (local.get $c) (i32.const 1)))))
      (br_if $bit (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
    (i32.store offset=16384 (i32.shl (local.get $i) (i32.const 2)) (local.get $c))
    (br_if $table (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 256))))
  (local.set $i (i32.const 0))
  (loop $data
    (i32.store8 (local.get $i) (local.get $i))
    (br_if $data (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))
  (local.set $c (i32.const -1))
  (loop $round
    (local.set $i (i32.const 0))
    (loop $next
      (local.set $c (i32.xor (i32.shr_u (local.get $c) (i32.const 8))
        (i32.load offset=16384 (i32.shl (i32.and (i32.xor (local.get $c) (i32.load8_u (local.get $i))) (i32.const 255)) (i32.const 2)))))
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10000))))
    (br_if $round (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
  (i32.xor (local.get $c) (i32.const -1))))
