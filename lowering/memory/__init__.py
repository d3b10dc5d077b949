"""The bytes: layout.py says where a function's buffers lie. What is kept from call to call: result_pool.py for results,
scratch_pool.py for temporaries."""
