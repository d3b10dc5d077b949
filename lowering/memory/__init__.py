"""Memory that is kept from call to call: result_pool.py for results, scratch_pool.py for temporaries."""
