-- ARGV: idem key, idem fingerprint. Gives {now, 'known', jobs...}, {now, 'mismatch' | 'deleted' | 'unknown'}.
local now = clock()
return {us(now), unpack(known(ARGV[1], ARGV[2]) or {'unknown'})}
