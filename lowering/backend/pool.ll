; The pool of threads (`pool_code.py`); <names> are numbers and calls filled in there.

declare i32 @sem_wait(ptr)
declare i32 @sem_post(ptr)
declare i32 @sched_yield()
declare i32 @sched_getcpu()
declare i32 @sched_setaffinity(i32, i64, ptr)

define i64 @clock() nounwind {
  %now = <now>
  ret i64 %now
}

define internal ptr @portion_of(ptr %pool, i64 %thread) nounwind {
  %lines = mul i64 %thread, <line>
  %place = add i64 %lines, <portions>
  %portion = getelementptr i8, ptr %pool, i64 %place
  ret ptr %portion
}

define internal ptr @sleeper_of(ptr %pool, i64 %thread) nounwind {
  %lines = mul i64 %thread, <line>
  %place = add i64 %lines, <sleepers>
  %sleeper = getelementptr i8, ptr %pool, i64 %place
  ret ptr %sleeper
}

; Claim a quarter of what is left of a portion, and do it; 0 if nothing was left.
; The upper half of the word of claims tells tasks apart, the lower one is the number of units left.
; What else the portion holds is stable from a claim until its units are counted as done.
define internal i1 @step(ptr %portion) nounwind {
entry:
  %first = load atomic i64, ptr %portion acquire, align 8
  br label %try
try:
  %word = phi i64 [ %first, %entry ], [ %found, %claim ]
  %left = and i64 %word, 4294967295
  %none = icmp eq i64 %left, 0
  br i1 %none, label %empty, label %claim
claim:
  %more = add i64 %left, 3
  %taken = lshr i64 %more, 2
  %rest = sub i64 %word, %taken
  %pair = cmpxchg ptr %portion, i64 %word, i64 %rest acq_rel acquire
  %found = extractvalue { i64, i1 } %pair, 0
  %won = extractvalue { i64, i1 } %pair, 1
  br i1 %won, label %work, label %try
work:
  %task.at = getelementptr i8, ptr %portion, i64 <task>
  %task = load ptr, ptr %task.at, align 8
  %args.at = getelementptr i8, ptr %portion, i64 <args>
  %args = load ptr, ptr %args.at, align 8
  %end.at = getelementptr i8, ptr %portion, i64 <end>
  %last = load i64, ptr %end.at, align 8
  %begin = sub i64 %last, %left
  %end = add i64 %begin, %taken
  call void %task(ptr %args, i64 %begin, i64 %end)
  %left.at = getelementptr i8, ptr %portion, i64 <left>
  %before = atomicrmw sub ptr %left.at, i64 %taken release, align 8
  ret i1 1
empty:
  ret i1 0
}

; Work off all portions, one's own first.
define internal void @help(ptr %pool, i64 %thread, i64 %threads) nounwind {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %done ]
  %sum = add i64 %thread, %k
  %number = urem i64 %sum, %threads
  %portion = call ptr @portion_of(ptr %pool, i64 %number)
  br label %again
again:
  %did = call i1 @step(ptr %portion)
  br i1 %did, label %again, label %done
done:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %threads
  br i1 %more, label %next, label %out
out:
  ret void
}

; The set of usable cores without the one that this runs on.
define internal ptr @other_cores(ptr %pool) nounwind {
  %cores = getelementptr i8, ptr %pool, i64 <cores>
  %others = getelementptr i8, ptr %pool, i64 <others>
  call void @llvm.memcpy.p0.p0.i64(ptr %others, ptr %cores, i64 <line>, i1 0)
  %core = call i32 @sched_getcpu()
  %known = and i32 %core, 1023
  %wide = zext i32 %known to i64
  %word = lshr i64 %wide, 6
  %word.at = getelementptr i64, ptr %others, i64 %word
  %old = load i64, ptr %word.at, align 8
  %place = and i64 %wide, 63
  %bit = shl i64 1, %place
  %mask = xor i64 %bit, -1
  %new = and i64 %old, %mask
  store i64 %new, ptr %word.at, align 8
  ret ptr %others
}

declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)

define void @worker(ptr %pool, i64 %thread) nounwind {
entry:
  %own = call ptr @portion_of(ptr %pool, i64 %thread)
  %sleeper = call ptr @sleeper_of(ptr %pool, i64 %thread)
  %asleep = getelementptr i8, ptr %sleeper, i64 <asleep>
  %semaphore = getelementptr i8, ptr %sleeper, i64 <semaphore>
  %stop.at = getelementptr i8, ptr %pool, i64 <stop>
  %spin.at = getelementptr i8, ptr %pool, i64 <spin>
  %workers.at = getelementptr i8, ptr %pool, i64 <workers>
  %limit = load i64, ptr %spin.at, align 8
  ; New threads start beside their creator: waking finds them a core of their own.
  br label %sleep
idle:
  %since = <now>
  br label %look
look:
  %looks = phi i64 [ 0, %idle ], [ %looks.next, %stay ], [ %looks.next, %yield ]
  %word = load atomic i64, ptr %own acquire, align 8
  %left = and i64 %word, 4294967295
  %work = icmp ne i64 %left, 0
  br i1 %work, label %help, label %wait
help:
  %workers = load atomic i64, ptr %workers.at monotonic, align 8
  %threads = add i64 %workers, 1
  %below = icmp sge i64 %thread, %threads
  %least = add i64 %thread, 1
  %all = select i1 %below, i64 %least, i64 %threads
  call void @help(ptr %pool, i64 %thread, i64 %all)
  br label %idle
wait:
  %stop = load atomic i64, ptr %stop.at acquire, align 8
  %stopped = icmp ne i64 %stop, 0
  br i1 %stopped, label %out, label %pause
pause:
  <pause>
  %now = <now>
  %spent = sub i64 %now, %since
  %late = icmp sgt i64 %spent, %limit
  %looks.next = add i64 %looks, 1
  %many = and i64 %looks.next, <looks>
  %next.round = icmp eq i64 %many, 0
  br i1 %late, label %sleep, label %stay
stay:
  br i1 %next.round, label %yield, label %look
yield:
  ; A caller may have been put on this core.
  %yielded = call i32 @sched_yield()
  br label %look
sleep:
  store atomic i64 1, ptr %asleep seq_cst, align 8
  %ignored = call i32 @sem_wait(ptr %semaphore)
  store atomic i64 0, ptr %asleep seq_cst, align 8
  br label %idle
out:
  ret void
}

; Wake sleeping workers if the row of calls has gone on for long, and keep them from the caller's core,
; where the system may well put them: both would take as long as one.
define internal void @wake(ptr %pool, i64 %threads) nounwind {
entry:
  %began.at = getelementptr i8, ptr %pool, i64 <began>
  %began = load i64, ptr %began.at, align 8
  %wake.at = getelementptr i8, ptr %pool, i64 <wake>
  %limit = load i64, ptr %wake.at, align 8
  %now = <now>
  %spent = sub i64 %now, %began
  %late = icmp sgt i64 %spent, %limit
  br i1 %late, label %next, label %out
next:
  %k = phi i64 [ 1, %entry ], [ %k.next, %done ]
  %sleeper = call ptr @sleeper_of(ptr %pool, i64 %k)
  %asleep.at = getelementptr i8, ptr %sleeper, i64 <asleep>
  %asleep = load atomic i64, ptr %asleep.at monotonic, align 8
  %sleeps = icmp ne i64 %asleep, 0
  br i1 %sleeps, label %post, label %done
post:
  store atomic i64 0, ptr %asleep.at monotonic, align 8
  %others = call ptr @other_cores(ptr %pool)
  %id.at = getelementptr i8, ptr %sleeper, i64 <id>
  %id = load i32, ptr %id.at, align 8
  %moved = call i32 @sched_setaffinity(i32 %id, i64 <line>, ptr %others)
  %semaphore = getelementptr i8, ptr %sleeper, i64 <semaphore>
  %ignored = call i32 @sem_post(ptr %semaphore)
  br label %done
done:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %threads
  br i1 %more, label %next, label %out
out:
  ret void
}

; Give each thread its portion of a task; the caller's comes last, for the others have a longer way.
define internal void @hand_out(ptr %pool, ptr %task, i64 %extent, i64 %threads, ptr %args) nounwind {
entry:
  %tag.at = getelementptr i8, ptr %pool, i64 <tag>
  %old = load i64, ptr %tag.at, align 8
  %tag = add i64 %old, 4294967296
  store i64 %tag, ptr %tag.at, align 8
  br label %next
next:
  %k = phi i64 [ %threads, %entry ], [ %thread, %next ]
  %thread = sub i64 %k, 1
  %low.times = mul i64 %extent, %thread
  %low = udiv i64 %low.times, %threads
  %high.times = mul i64 %extent, %k
  %high = udiv i64 %high.times, %threads
  %count = sub i64 %high, %low
  %portion = call ptr @portion_of(ptr %pool, i64 %thread)
  %left.at = getelementptr i8, ptr %portion, i64 <left>
  store atomic i64 %count, ptr %left.at monotonic, align 8
  %task.at = getelementptr i8, ptr %portion, i64 <task>
  store ptr %task, ptr %task.at, align 8
  %args.at = getelementptr i8, ptr %portion, i64 <args>
  store ptr %args, ptr %args.at, align 8
  %end.at = getelementptr i8, ptr %portion, i64 <end>
  store i64 %high, ptr %end.at, align 8
  %word = or i64 %tag, %count
  store atomic i64 %word, ptr %portion release, align 8
  %more = icmp sgt i64 %thread, 0
  br i1 %more, label %next, label %out
out:
  ret void
}

; Work on all portions, then wait for what others have claimed.
define internal void @finish(ptr %pool, i64 %threads) nounwind {
entry:
  br label %next
next:
  %k = phi i64 [ 0, %entry ], [ %k.next, %done ]
  %portion = call ptr @portion_of(ptr %pool, i64 %k)
  br label %again
again:
  %did = call i1 @step(ptr %portion)
  br i1 %did, label %worked, label %done
worked:
  call void @wake(ptr %pool, i64 %threads)
  br label %again
done:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %threads
  br i1 %more, label %next, label %barrier
barrier:
  br label %portion.next
portion.next:
  %w = phi i64 [ 0, %barrier ], [ %w.next, %complete ]
  %awaited = call ptr @portion_of(ptr %pool, i64 %w)
  %left.at = getelementptr i8, ptr %awaited, i64 <left>
  br label %look
look:
  %looks = phi i64 [ 0, %portion.next ], [ %looks.next, %pause ], [ %looks.next, %yield ]
  %left = load atomic i64, ptr %left.at acquire, align 8
  %open = icmp ne i64 %left, 0
  br i1 %open, label %pause, label %complete
pause:
  <pause>
  %looks.next = add i64 %looks, 1
  %many = and i64 %looks.next, <looks>
  %late = icmp eq i64 %many, 0
  br i1 %late, label %yield, label %look
yield:
  ; Whoever it is that we wait for may want this core.
  %ignored = call i32 @sched_yield()
  br label %look
complete:
  %w.next = add i64 %w, 1
  %w.more = icmp slt i64 %w.next, %threads
  br i1 %w.more, label %portion.next, label %out
out:
  ret void
}

define void @run(ptr %pool, ptr %tasks, i64 %count, i64 %wanted, ptr %args) nounwind {
entry:
  %workers.at = getelementptr i8, ptr %pool, i64 <workers>
  %workers = load atomic i64, ptr %workers.at monotonic, align 8
  %there = add i64 %workers, 1
  %threads = call i64 @llvm.smin.i64(i64 %wanted, i64 %there)
  %several = icmp sgt i64 %threads, 1
  br i1 %several, label %enter, label %start
enter:
  %pair = cmpxchg ptr %pool, i64 0, i64 1 acquire monotonic
  %free = extractvalue { i64, i1 } %pair, 1
  br i1 %free, label %entered, label %start
entered:
  %began.at = getelementptr i8, ptr %pool, i64 <began>
  %ended.at = getelementptr i8, ptr %pool, i64 <ended>
  %spin.at = getelementptr i8, ptr %pool, i64 <spin>
  %began = load i64, ptr %began.at, align 8
  %ended = load i64, ptr %ended.at, align 8
  %limit = load i64, ptr %spin.at, align 8
  %now = <now>
  %gap = sub i64 %now, %ended
  %new = icmp sgt i64 %gap, %limit
  %row = select i1 %new, i64 %now, i64 %began
  store i64 %row, ptr %began.at, align 8
  br label %start
start:
  %shared = phi i1 [ 0, %entry ], [ 0, %enter ], [ 1, %entered ]
  br label %next
next:
  %k = phi i64 [ 0, %start ], [ %k.next, %done ]
  %two = shl i64 %k, 1
  %task.at = getelementptr i64, ptr %tasks, i64 %two
  %task = load ptr, ptr %task.at, align 8
  %extent.at = getelementptr i64, ptr %task.at, i64 1
  %extent = load i64, ptr %extent.at, align 8
  %divisible = icmp sgt i64 %extent, 1
  %share = and i1 %shared, %divisible
  br i1 %share, label %together, label %alone
together:
  call void @hand_out(ptr %pool, ptr %task, i64 %extent, i64 %threads, ptr %args)
  call void @finish(ptr %pool, i64 %threads)
  br label %done
alone:
  call void %task(ptr %args, i64 0, i64 %extent)
  br label %done
done:
  %k.next = add i64 %k, 1
  %more = icmp slt i64 %k.next, %count
  br i1 %more, label %next, label %last
last:
  br i1 %shared, label %leave, label %out
leave:
  %end = <now>
  %ended.to = getelementptr i8, ptr %pool, i64 <ended>
  store i64 %end, ptr %ended.to, align 8
  store atomic i64 0, ptr %pool release, align 8
  br label %out
out:
  ret void
}

declare i64 @llvm.smin.i64(i64, i64)
